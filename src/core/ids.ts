/** Branded identifiers. All are lower-case hex sha256 digests except {@link SpaceId}, which is base32 and 26 characters. */

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** sha256 of an image file's bytes; never a path. */
export type ImageId = Branded<'ImageId'>;
/** First 32 hex digits of the sha256 of a view's explicit geometry. */
export type ViewId = Branded<'ViewId'>;
/** base32 of the sha256 of a space descriptor in canonical JSON, first 26 characters. */
export type SpaceId = Branded<'SpaceId'>;
/** Any other sha256, 64 hex digits. */
export type Digest = Branded<'Digest'>;

const HEX_64 = /^[0-9a-f]{64}$/;
const HEX_32 = /^[0-9a-f]{32}$/;
const BASE32_26 = /^[a-z2-7]{26}$/;

function check(value: string, form: RegExp, name: string): string {
  if (!form.test(value)) throw new Error(`internal: ${name} must match ${form.source}, got "${value}"`);
  return value;
}

export const imageId = (value: string): ImageId => check(value, HEX_64, 'ImageId') as ImageId;
export const viewId = (value: string): ViewId => check(value, HEX_32, 'ViewId') as ViewId;
export const spaceId = (value: string): SpaceId => check(value, BASE32_26, 'SpaceId') as SpaceId;
export const digest = (value: string): Digest => check(value, HEX_64, 'Digest') as Digest;
