/** What onnxruntime said, without the place in its own sources that it begins with and the lines that follow. */
export function engineMessage(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).trim();
  return text.replace(/^\/\S*onnxruntime\S*:\d+ .*?(?:\) (?=[A-Z])|was false\. )/s, '');
}
