/** The page's book of decisions, run outside the page: what it writes is what the gate reads. */
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { JUDGEMENTS, sortWaivers, waiverKey, waiversSchema } from '../../src/audit/gate/waivers.ts';
import { REVIEW_BOOK } from '../../src/report/review-script.ts';
import { JUDGEMENT_WORDS } from '../../src/report/sections/pair-review.ts';

interface Pair {
  readonly type: string;
  readonly a: string;
  readonly b: string;
}
interface Book {
  of(pair: Pair): { kind: string } | null;
  leak(pair: Pair): void;
  waive(pair: Pair, fields: Record<string, string>): string | null;
  undo(): boolean;
  count(kind: string): number;
  left(): number;
  load(text: string): { error?: string; read?: number; shown?: number; otherAudit?: boolean };
  file(): { version: number; waivers: object[] };
}

const hex = (n: number): string => n.toString(16).padStart(64, '0');
const PAIRS: Pair[] = [1, 2, 3].map((n) => ({ type: 'train-eval', a: hex(n), b: hex(n + 100) }));
const bookOf = (pairs: readonly Pair[], audit?: string): Book =>
  (runInNewContext(`${REVIEW_BOOK}; reviewBook`) as (all: readonly Pair[], of?: string) => Book)(
    pairs,
    audit,
  );
const FIELDS = {
  reviewer: 'Ada',
  reason: 'another flag',
  judgement: 'different',
  date: '2026-11-25',
  expires: '2027-11-25',
};
/** Out of the other context, so that prototypes compare. */
const fileOf = (book: Book): unknown => JSON.parse(JSON.stringify(book.file()));

describe('the review of pairs', () => {
  it('writes a waiver file that the gate takes as it is, bound to both digests and with its last day', () => {
    const book = bookOf(PAIRS);
    expect(book.waive(PAIRS[1]!, { ...FIELDS, reason: '  another flag ' })).toBeNull();
    book.leak(PAIRS[0]!);
    const file = waiversSchema.parse(fileOf(book));
    expect(file).toEqual({ version: 1, waivers: [{ ...PAIRS[1], ...FIELDS }] });
    const images = new Set(PAIRS.flatMap(({ a, b }) => [a, b]));
    expect([...sortWaivers(file.waivers, { images, today: '2027-11-25' }).holding]).toEqual([
      waiverKey(PAIRS[1]!),
    ]);
    expect(sortWaivers(file.waivers, { images, today: '2027-11-26' }).expired).toHaveLength(1);
    expect([book.count('waived'), book.count('leak'), book.left()]).toEqual([1, 1, 1]);
  });

  it.each(['reviewer', 'reason', 'judgement', 'expires'])('takes no waiver without its %s', (name) => {
    const book = bookOf(PAIRS);
    expect(book.waive(PAIRS[0]!, { ...FIELDS, [name]: ' ' })).toBe(name);
    expect(fileOf(book)).toEqual({ version: 1, waivers: [] });
  });

  it('takes no waiver that ends before it begins', () => {
    expect(bookOf(PAIRS).waive(PAIRS[0]!, { ...FIELDS, expires: '2026-11-24' })).toBe('expires');
  });

  it('undoes every decision in turn, and then nothing', () => {
    const book = bookOf(PAIRS);
    book.leak(PAIRS[0]!);
    book.waive(PAIRS[0]!, FIELDS);
    book.waive(PAIRS[1]!, FIELDS);
    expect([book.undo(), book.count('waived')]).toEqual([true, 1]);
    expect([book.undo(), book.of(PAIRS[0]!)!.kind]).toEqual([true, 'leak']);
    expect([book.undo(), book.undo(), book.left()]).toEqual([true, false, 3]);
  });

  it('goes on from an earlier file and keeps waivers of pairs that it does not show', () => {
    const earlier = bookOf([...PAIRS, { type: 'val-eval', a: hex(9), b: hex(10) }]);
    earlier.waive({ type: 'val-eval', a: hex(9), b: hex(10) }, FIELDS);
    const book = bookOf(PAIRS);
    expect({ ...book.load(JSON.stringify(earlier.file())) }).toEqual({
      read: 1,
      shown: 0,
      otherAudit: false,
    });
    book.waive(PAIRS[2]!, FIELDS);
    expect(waiversSchema.parse(fileOf(book)).waivers.map(({ a }) => a)).toEqual([hex(3), hex(9)]);
    expect(book.left()).toBe(2);
  });

  it('says of a file what is wrong with it, and changes nothing then', () => {
    const book = bookOf(PAIRS);
    book.waive(PAIRS[0]!, FIELDS);
    const before = fileOf(book);
    const waiver = { ...PAIRS[1]!, ...FIELDS };
    const of = (waivers: unknown, version: unknown = 1): string => JSON.stringify({ version, waivers });
    const refused: [string, string][] = [
      ['{', 'this file is no JSON'],
      ['null', 'this is no waiver file of version 1'],
      ['[]', 'this is no waiver file of version 1'],
      [of([], 2), 'this is no waiver file of version 1'],
      [of({}), 'this is no waiver file of version 1'],
      [of([waiver, null]), 'waiver 2 of this file has no usable fields'],
      [of([{ ...waiver, a: 'x' }]), 'waiver 1 of this file has no usable a'],
      [of([{ ...waiver, reason: '' }]), 'waiver 1 of this file has no usable reason'],
      [of([{ ...waiver, date: 'soon' }]), 'waiver 1 of this file has no usable date'],
      [of([{ ...waiver, expires: 7 }]), 'waiver 1 of this file has no usable expires'],
    ];
    for (const [text, error] of refused) expect(book.load(text).error).toBe(error);
    expect(fileOf(book)).toEqual(before);
    expect(book.load(of([waiver])).error).toBeUndefined();
    expect(book.count('waived')).toBe(2);
  });

  it('names the audit in the file, and says when a file was made for another', () => {
    const [one, other] = [hex(7), hex(8)];
    const book = bookOf(PAIRS, one);
    book.waive(PAIRS[0]!, FIELDS);
    const file = waiversSchema.parse(fileOf(book));
    expect(file.audit).toBe(one);
    const text = JSON.stringify(file);
    expect(bookOf(PAIRS, one).load(text)).toMatchObject({ read: 1, shown: 1, otherAudit: false });
    expect(bookOf(PAIRS, other).load(text)).toMatchObject({ read: 1, shown: 1, otherAudit: true });
    expect(bookOf(PAIRS).load(text).otherAudit).toBe(false);
  });

  it('offers the judgements that the gate knows', () => {
    expect([...JUDGEMENT_WORDS].sort()).toEqual([...JUDGEMENTS].sort());
  });
});
