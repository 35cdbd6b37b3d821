/** What an S3 client's errors mean to a person. Told by name, status and system code: the classes differ between servers. */
import { StillhouseError } from '../core/failure.ts';

interface S3Error extends Error {
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
}

const AGAIN = 'run the same command again; what was committed is kept';
const CREDENTIALS =
  'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role; the client looks for them in that order';

const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'EPIPE',
]);
const REFUSED = new Set([
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidToken',
  'AccessDenied',
  'AllAccessDisabled',
]);

export const statusOf = (error: unknown): number | undefined =>
  error instanceof Error ? (error as S3Error).$metadata?.httpStatusCode : undefined;

/** Whether the credentials are good and do not allow this: some servers say it by the status alone. */
export const isAccessDenied = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === 'AccessDenied' || (statusOf(error) === 403 && !REFUSED.has(error.name)));

/** Whether trying once more may help: the connection or the server failed, not the request. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { name, code, message } = error as S3Error;
  const status = statusOf(error);
  return (
    NETWORK.has(String(code)) ||
    name === 'TimeoutError' ||
    /aborted|socket hang up|premature/i.test(message) ||
    (status !== undefined && (status >= 500 || status === 429))
  );
}

/** The error as an operator failure (exit code 5); unchanged when it is none of the store. */
export function asS3Failure(error: unknown, url: string): unknown {
  if (!(error instanceof Error) || error instanceof StillhouseError) return error;
  const { name, code, message } = error as S3Error;
  const status = statusOf(error);
  const fail = (what: string, next: string): StillhouseError =>
    new StillhouseError({ kind: 'environment', what, where: url, got: gotOf(error), next }, error);
  if (name === 'NoSuchBucket')
    return fail('there is no such bucket', 'create the bucket, or correct its name in --cache');
  if (name === 'CredentialsProviderError' || /credential/i.test(name))
    return fail('there are no credentials for the object store', CREDENTIALS);
  if (REFUSED.has(name) || status === 401 || status === 403)
    return fail(
      'the object store refuses the request',
      `check the permissions of these credentials; or ${CREDENTIALS}`,
    );
  if (/region is missing/i.test(message))
    return fail('the region of the bucket is not known', 'set AWS_REGION');
  if (name === 'PermanentRedirect' || status === 301)
    return fail('the bucket lies in another region', 'set AWS_REGION to the region of the bucket');
  if (NETWORK.has(String(code)))
    return fail('the object store cannot be reached', `check the network and --s3-endpoint; then ${AGAIN}`);
  if (isTransient(error)) return fail('the object store failed, also when asked again', AGAIN);
  if (status !== undefined) return fail('the object store refuses the request', 'see what it says');
  return error;
}

/** Never the request itself: it may hold credentials. */
function gotOf({ name, code, message, $metadata }: S3Error): string {
  const status = $metadata?.httpStatusCode;
  const text = message === '' || message === name ? '' : `: ${message}`;
  return `${status === undefined ? '' : `HTTP ${status}, `}${typeof code === 'string' ? code : name}${text}`.slice(
    0,
    300,
  );
}
