/** Files of a cache that never change because their names carry their digest: what a replica may copy. */

/** The hex digits of the sha256 in the name of a part, an index file or statistics; null for every other file. */
export function digestInName(file: string): string | null {
  const match =
    /^(?:data|index)\/[^/]+\/(?:\d+\.)?([0-9a-f]{32})\.arrow$/.exec(file) ??
    /^statistics\/([0-9a-f]{64})\.safetensors$/.exec(file);
  return match?.[1] ?? null;
}
