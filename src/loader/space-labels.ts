/** Labels of spaces as a loader takes them: `nanodet@224.spatial`, or with a codec, `nanodet@224.spatial.i8p`. */

export interface LabelParts {
  /** Teacher and size: the name under which a batch holds its targets. */
  readonly teacher: string;
  readonly kind: 'summary' | 'spatial';
}

/** Null for what is no label. Codec names have no dots, teachers' names may. */
export function labelParts(label: string): LabelParts | null {
  const match = /^(.+)\.(summary|spatial)(?:\.[^.]+)?$/.exec(label);
  return match === null ? null : { teacher: match[1]!, kind: match[2] as LabelParts['kind'] };
}
