/** JSON text as a value; null where it is none, for callers to whom a damaged file and `null` mean the same. */
export function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
