/**
 * Canonical JSON in the spirit of RFC 8785 (JCS): keys sorted by UTF-16 code unit, no white space, ECMAScript number form.
 * The same value gives the same text on every machine, so the text can be hashed. Values JSON cannot hold are refused.
 */

export type Json =
  null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/**
 * Undefined members are left out.
 * @throws Error (a defect) on NaN, infinities, functions, bigint, undefined or holes inside an array, and objects with a
 * prototype of their own (Map, Date, typed arrays), which would lose their content.
 */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new Error(`internal: ${value} has no canonical JSON form`);
    return JSON.stringify(value);
  }
  if (isArray(value)) return `[${Array.from(value, (item) => canonicalJson(item)).join(',')}]`;
  if (typeof value === 'object') {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null)
      throw new Error('internal: an object with a prototype of its own has no canonical JSON form');
    const members = Object.keys(value)
      .sort()
      .flatMap((key) => {
        const member = value[key];
        return member === undefined ? [] : [`${JSON.stringify(key)}:${canonicalJson(member)}`];
      });
    return `{${members.join(',')}}`;
  }
  throw new Error(`internal: a ${typeof value} has no canonical JSON form`);
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
