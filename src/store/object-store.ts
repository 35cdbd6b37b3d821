/**
 * The few calls that a cache needs of an object store, so that a bucket and a folder are used alike. Objects appear whole or not at
 * all and are never changed in part; keys are names joined by `/`. Implementations: {@link file://./s3-store.ts} and
 * {@link file://./folder-store.ts}, both under test/store/object-store-contract.ts.
 *
 * Every call rejects with a StillhouseError of kind environment when the store cannot be used: not reachable, no permission, no
 * credentials, no such bucket, failing after retries.
 */
export interface ObjectInfo {
  /** Last part of its key. */
  readonly name: string;
  readonly sizeBytes: number;
}

/** One level of names. */
export interface ObjectListing {
  readonly objects: readonly ObjectInfo[];
  /** Names that have more below them. */
  readonly folders: readonly string[];
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface ObjectStore {
  /** As a person names it, such as `s3://bucket/prefix`. */
  readonly url: string;
  /** The object, or a range of it, shorter at its end; null when there is none. */
  get(key: string, range?: ByteRange): Promise<Uint8Array | null>;
  /** Its size in bytes; null when there is none. */
  head(key: string): Promise<number | null>;
  /** What lies below a key, one level deep; `''` is the top. Empty when there is nothing. */
  list(key: string): Promise<ObjectListing>;
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** Creates an object only if there is none; false when there is one. Of many at once, one is told true. */
  putIfAbsent(key: string, bytes: Uint8Array): Promise<boolean>;
  /** A local file as an object, in pieces where it is large; when it rejects, no piece is left and the object is as it was. */
  putFile(key: string, path: string): Promise<void>;
  /** False when `from` is not there. */
  copy(from: string, to: string): Promise<boolean>;
  /** Nothing happens when there is none. */
  delete(key: string): Promise<void>;
}

/** Deletes an object and all below it, the deepest first: cut off, it leaves what lies on top and says what the rest was. */
export async function deleteBelow(store: ObjectStore, key: string): Promise<void> {
  const { objects, folders } = await store.list(key);
  for (const name of folders) await deleteBelow(store, `${key}/${name}`);
  for (const { name } of objects) await store.delete(`${key}/${name}`);
  await store.delete(key);
}
