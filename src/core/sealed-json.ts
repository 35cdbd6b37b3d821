/**
 * Small JSON files that carry the sha256 of their own content: any changed, added or missing byte is seen. The text is canonical
 * and ends with a newline, so a value has exactly one sealed form.
 */
import { type Json, canonicalJson } from './canonical-json.ts';
import { digestOf } from './digest.ts';
import type { Digest } from './ids.ts';

const SEAL = 'sha256';

/** @param body has no member `sha256`. */
export function sealJson(body: { readonly [key: string]: Json | undefined }): string {
  if (SEAL in body) throw new Error('internal: a sealed value has a member sha256 of its own');
  return `${canonicalJson({ ...body, [SEAL]: digestOf(body) })}\n`;
}

/** The digest that {@link sealJson} writes. */
export const sealOf = (body: { readonly [key: string]: Json | undefined }): Digest => digestOf(body);

export type Unsealed =
  | { readonly body: { readonly [key: string]: Json }; readonly sha256: Digest }
  /** What is wrong with it. */
  | { readonly trouble: string };

/** The value without its seal, or why it is none. Its members are not checked. */
export function unsealJson(text: string): Unsealed {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return { trouble: 'no JSON' };
    throw error;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { trouble: 'JSON that is no object' };
  const { [SEAL]: seal, ...body } = value as Record<string, Json>;
  if (seal === undefined) return { trouble: 'an object without sha256' };
  const sha256 = digestOf(body);
  if (seal !== sha256) return { trouble: `content with the sha256 ${sha256}, not the one it states` };
  if (text !== sealJson(body)) return { trouble: 'the right content in another form' };
  return { body, sha256 };
}
