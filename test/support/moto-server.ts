/** A real S3 server as a process of its own: moto's, where Python has it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { S3Client, CreateBucketCommand } from '@aws-sdk/client-s3';

/** The Python that tests use: `STILLHOUSE_PYTHON`, else `python3`. */
export const PYTHON = process.env['STILLHOUSE_PYTHON'] ?? 'python3';

/** Why a test that needs these modules is skipped; null when it can run. */
export function lacksPython(...modules: readonly string[]): string | null {
  const { status } = spawnSync(PYTHON, ['-c', modules.map((name) => `import ${name}`).join('; ')]);
  return status === 0 ? null : `${PYTHON} with ${modules.join(' and ')} is not installed`;
}

export interface S3Server {
  readonly endpoint: string;
  /** A client of its own, to look from the other side. */
  readonly client: S3Client;
  /** Returns the name of a new bucket. */
  bucket(): Promise<string>;
  stop(): Promise<void>;
}

/** Credentials that moto takes; set for the client under test too. */
export const KEYS = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' };

export async function startS3(): Promise<S3Server> {
  const child = spawn(PYTHON, ['-m', 'moto.server', '-H', '127.0.0.1', '-p', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const endpoint = await addressOf(child);
  const client = new S3Client({
    endpoint,
    forcePathStyle: true,
    region: KEYS.AWS_REGION,
    credentials: { accessKeyId: KEYS.AWS_ACCESS_KEY_ID, secretAccessKey: KEYS.AWS_SECRET_ACCESS_KEY },
  });
  let buckets = 0;
  return {
    endpoint,
    client,
    bucket: async () => {
      const Bucket = `bucket-${process.pid}-${buckets++}`;
      await client.send(new CreateBucketCommand({ Bucket }));
      return Bucket;
    },
    stop: async () => {
      client.destroy();
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** moto chooses a free port and says which. */
function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const listen = (text: Buffer): void => {
      said += text.toString();
      const address = /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(said)?.[1];
      if (address !== undefined) resolve(address);
    };
    child.stdout!.on('data', listen);
    child.stderr!.on('data', listen);
    child.once('exit', () => reject(new Error(`the S3 server ended: ${said}`)));
  });
}
