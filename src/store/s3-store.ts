/**
 * S3-compatible storage, through the AWS SDK. Loaded only when a cache lies there: the client is large. Uploads carry checksums that
 * the server compares; snapshots and journal entries are created with `If-None-Match: *`.
 */
import * as fsp from 'node:fs/promises';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { type Timer, machineTimer } from '../core/clock.ts';
import { asStoreFailure } from './commit-fs.ts';
import type { ByteRange, ObjectInfo, ObjectListing, ObjectStore } from './object-store.ts';
import { asS3Failure, isTransient, statusOf } from './s3-trouble.ts';

export interface S3StoreOptions {
  readonly bucket: string;
  /** Without slashes at its ends; `''` is the whole bucket. */
  readonly prefix: string;
  /** Of another server than Amazon's; paths then name the bucket. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  /** Larger files are sent in pieces of this size. S3 takes no smaller ones than 5 MiB. Default 16 MiB. */
  readonly pieceBytes?: number;
  /** Of one call, the first included. Default 4. */
  readonly attempts?: number;
  /** Without a byte for so long, an attempt is given up. Default 60 s. */
  readonly stallMs?: number;
  readonly timer?: Timer;
}

/** Pieces sent at once. */
const PIECES_AT_ONCE = 4;

/** Nothing is sent before the first call. Credentials come from the client's own chain: environment, profile, machine role. */
export function s3Store(options: S3StoreOptions): ObjectStore & { close(): void } {
  const { bucket, prefix, endpoint, region, attempts = 4, stallMs = 60_000 } = options;
  const { pieceBytes = 16 << 20, timer = machineTimer } = options;
  const client = new S3Client({
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(region === undefined ? {} : { region }),
    maxAttempts: attempts,
    requestHandler: { connectionTimeout: 10_000, requestTimeout: stallMs, socketTimeout: stallMs },
  });
  const url = `s3://${[bucket, prefix].filter((part) => part !== '').join('/')}`;
  const keyOf = (key: string): string => [prefix, key].filter((part) => part !== '').join('/');
  const at = (key: string): { Bucket: string; Key: string } => ({ Bucket: bucket, Key: keyOf(key) });
  const call = async <T>(key: string, send: () => Promise<T>): Promise<T> => {
    try {
      return await send();
    } catch (error) {
      throw asS3Failure(error, `${url}/${key}`);
    }
  };
  /** Null when there is no such object; a missing bucket is a failure. */
  const orNull = <T>(key: string, send: () => Promise<T>): Promise<T | null> =>
    call(key, async () => {
      try {
        return await send();
      } catch (error) {
        if (statusOf(error) === 404 && (error as Error).name !== 'NoSuchBucket') return null;
        throw error;
      }
    });

  return {
    url,
    close: () => client.destroy(),
    get: (key, range) => orNull(key, () => retried(attempts, timer, () => download(client, at(key), range))),
    head: async (key) => {
      const found = await orNull(key, () => client.send(new HeadObjectCommand(at(key))));
      return found && (found.ContentLength ?? 0);
    },
    list: (key) =>
      call(key, () => listLevel(client, bucket, key === '' && prefix === '' ? '' : `${keyOf(key)}/`)),
    put: (key, bytes) =>
      call(key, async () => {
        await client.send(new PutObjectCommand({ ...at(key), Body: bytes }));
      }),
    putIfAbsent: (key, bytes) =>
      call(key, async () => {
        for (let attempt = 1; ; attempt++)
          try {
            await client.send(new PutObjectCommand({ ...at(key), Body: bytes, IfNoneMatch: '*' }));
            return true;
          } catch (error) {
            if (statusOf(error) === 412) return false;
            // another one is being created at this moment: ask again who won
            if (statusOf(error) !== 409 || attempt === attempts) throw error;
            await timer.sleep(50 * attempt);
          }
      }),
    putFile: (key, path) =>
      call(key, async () => {
        const file = await fsp.open(path, 'r').catch((error: unknown) => {
          throw asStoreFailure(error, path);
        });
        try {
          const { size } = await file.stat();
          if (size > pieceBytes) await sendPieces(client, { at: at(key), file, size, pieceBytes });
          else await client.send(new PutObjectCommand({ ...at(key), Body: await pieceOf(file, 0, size) }));
        } finally {
          await file.close();
        }
      }),
    copy: async (from, to) => {
      // a header, which the server decodes as it does a path: `+` is a blank in it, `?` begins a version
      const CopySource = [bucket, ...keyOf(from).split('/')].map(encodeURIComponent).join('/');
      return (
        (await orNull(from, () => client.send(new CopyObjectCommand({ ...at(to), CopySource })))) !== null
      );
    },
    delete: (key) =>
      call(key, async () => {
        await client.send(new DeleteObjectCommand(at(key)));
      }),
  };
}

interface ObjectAt {
  readonly Bucket: string;
  readonly Key: string;
}

/** The client tries again until the answer begins; a body that breaks off is ours to ask for again. */
async function retried<T>(attempts: number, timer: Timer, read: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++)
    try {
      return await read();
    } catch (error) {
      if (attempt === attempts || !isTransient(error)) throw error;
      await timer.sleep(100 * 2 ** attempt);
    }
}

async function download(client: S3Client, at: ObjectAt, range: ByteRange | undefined): Promise<Uint8Array> {
  if (range?.length === 0) return new Uint8Array(0);
  const Range = range && `bytes=${range.offset}-${range.offset + range.length - 1}`;
  try {
    const { Body, ContentLength } = await client.send(
      new GetObjectCommand({ ...at, ...(Range === undefined ? {} : { Range }) }),
    );
    const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array(0);
    if (ContentLength !== undefined && bytes.length !== ContentLength)
      throw Object.assign(
        new Error(`the answer was aborted after ${bytes.length} of ${ContentLength} bytes`),
        {
          code: 'ECONNRESET',
        },
      );
    return bytes;
  } catch (error) {
    // a range that starts behind the end
    if (statusOf(error) === 416) return new Uint8Array(0);
    throw error;
  }
}

/** @param below with a slash at its end, or `''`. */
async function listLevel(client: S3Client, Bucket: string, below: string): Promise<ObjectListing> {
  const objects: ObjectInfo[] = [];
  const folders: string[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({
        Bucket,
        Prefix: below,
        Delimiter: '/',
        ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
      }),
    );
    for (const { Key = '', Size = 0 } of page.Contents ?? [])
      if (Key !== below) objects.push({ name: Key.slice(below.length), sizeBytes: Size });
    for (const { Prefix = '' } of page.CommonPrefixes ?? []) folders.push(Prefix.slice(below.length, -1));
    ContinuationToken = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (ContinuationToken !== undefined);
  return { objects, folders };
}

interface Pieces {
  readonly at: ObjectAt;
  readonly file: fsp.FileHandle;
  readonly size: number;
  readonly pieceBytes: number;
}

/** A multipart upload; when a piece fails, the others are waited for and all are given up. */
async function sendPieces(client: S3Client, { at, file, size, pieceBytes }: Pieces): Promise<void> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(at));
  if (UploadId === undefined) throw new Error('internal: an upload was begun without an id');
  const limit = pLimit(PIECES_AT_ONCE);
  const offsets = Array.from({ length: Math.ceil(size / pieceBytes) }, (_, i) => i * pieceBytes);
  try {
    let failed = false;
    const sent = await Promise.allSettled(
      offsets.map((offset, i) =>
        limit(async (): Promise<CompletedPart> => {
          // when one has failed, those that have not begun need not
          if (failed) throw new Error('internal: an earlier piece failed');
          const PartNumber = i + 1;
          try {
            const Body = await pieceOf(file, offset, Math.min(pieceBytes, size - offset));
            const { ETag, ChecksumCRC32 } = await client.send(
              new UploadPartCommand({ ...at, UploadId, PartNumber, Body }),
            );
            return { PartNumber, ETag, ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }) };
          } catch (error) {
            failed = true;
            throw error;
          }
        }),
      ),
    );
    const first = sent.find((piece) => piece.status === 'rejected');
    if (first !== undefined) throw first.reason;
    const Parts = sent.map((piece) => (piece as PromiseFulfilledResult<CompletedPart>).value);
    await client.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } }));
  } catch (error) {
    // pieces that nobody gives up are paid for; when even that fails, the first failure says more
    await client.send(new AbortMultipartUploadCommand({ ...at, UploadId })).catch((second: unknown) => {
      if (!(second instanceof Error)) throw second;
    });
    throw error;
  }
}

async function pieceOf(file: fsp.FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) throw new Error('internal: a staged file became shorter while it was sent');
    done += bytesRead;
  }
  return bytes;
}
