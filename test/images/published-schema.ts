/** JSON Schema of a zod schema as it stands under manifests/schema: in the form that the formatter of this repository gives it. */
import { format, resolveConfig } from 'prettier';
import { z } from 'zod';

export async function publishedSchema(schema: z.ZodType): Promise<string> {
  const text = JSON.stringify(z.toJSONSchema(schema, { io: 'input' }));
  return format(text, {
    ...(await resolveConfig('x.json', { config: 'test/config/prettier.json' })),
    parser: 'json',
  });
}
