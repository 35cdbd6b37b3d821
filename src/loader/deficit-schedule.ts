/**
 * Which of several streams is served at turn t, so that every prefix of the schedule has the stated proportions as exactly as
 * whole turns allow: among the streams that are owed most, the one whose deadline comes first (Tijdeman, "The chairman assignment
 * problem", Discrete Mathematics 32, 1980). After every prefix each stream is within 1 - 1/(2k - 2) of its share; after a whole
 * period the counts are exact. The schedule is a function of t: any turn can be asked for.
 */
import { StillhouseError } from '../core/failure.ts';

/** Longest period kept as a table. */
const MAX_PERIOD = 2_000_000;
/** Decimals of a weight that count. */
const DECIMALS = 6;

export class DeficitSchedule {
  /** Turns after which the schedule starts again. */
  readonly period: number;
  /** Weights as whole numbers without a common divisor; a stream is served `weights[i]` times per period. */
  readonly weights: readonly number[];
  /** Stream of every turn of one period. */
  readonly #turns: Uint16Array;
  /** By stream: its turns of one period, ascending, so that counts before any turn follow from a search. */
  readonly #turnsOf: readonly Uint32Array[];

  /** @throws StillhouseError bad-input for weights that are not positive, or have too many digits for exact counts. */
  constructor(weights: readonly number[]) {
    this.weights = wholeWeights(weights);
    this.period = this.weights.reduce((sum, weight) => sum + weight, 0);
    if (this.period > MAX_PERIOD)
      throw badWeights(weights, `proportions that repeat after at most ${MAX_PERIOD} turns`);
    this.#turns = scheduleOf(this.weights, this.period);
    const turnsOf = this.weights.map((weight) => new Uint32Array(weight));
    const seen = new Uint32Array(this.weights.length);
    this.#turns.forEach((stream, turn) => (turnsOf[stream]![seen[stream]!++] = turn));
    this.#turnsOf = turnsOf;
  }

  /** The stream served at turn `t` >= 0. */
  at(t: number): number {
    return this.#turns[t % this.period]!;
  }

  /** How often `stream` was served before turn `t`. */
  countBefore(t: number, stream: number): number {
    const turns = this.#turnsOf[stream]!;
    const rest = t % this.period;
    let low = 0;
    let high = turns.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (turns[middle]! < rest) low = middle + 1;
      else high = middle;
    }
    return ((t - rest) / this.period) * turns.length + low;
  }
}

function scheduleOf(weights: readonly number[], period: number): Uint16Array {
  const turns = new Uint16Array(period);
  const k = weights.length;
  if (k === 1) return turns;
  const served = new Float64Array(k);
  const scale = 2 * k - 2;
  for (let turn = 0; turn < period; turn++) {
    let chosen = -1;
    let soonest = Infinity;
    for (let i = 0; i < k; i++) {
      // whole numbers: the deficit in units of 1 / (period * scale)
      const deficit = (weights[i]! * (turn + 1) - period * served[i]!) * scale;
      if (deficit < period) continue;
      const deadline = (period * (scale - 1) - deficit) / weights[i]!;
      if (deadline < soonest) [soonest, chosen] = [deadline, i];
    }
    if (chosen < 0) throw new Error('internal: no stream of the schedule is owed a turn');
    turns[turn] = chosen;
    served[chosen]! += 1;
  }
  return turns;
}

/** Weights in whole numbers of equal proportions, divided by their greatest common divisor. */
function wholeWeights(weights: readonly number[]): number[] {
  const scaled = weights.map((weight) => Math.round(weight * 10 ** DECIMALS));
  const exact = weights.every(
    (weight, i) =>
      Number.isFinite(weight) &&
      weight > 0 &&
      Math.abs(scaled[i]! / 10 ** DECIMALS - weight) <= 1e-9 * weight,
  );
  if (weights.length === 0 || !exact || !scaled.every(Number.isSafeInteger))
    throw badWeights(weights, `positive numbers with at most ${DECIMALS} decimals`);
  const divisor = scaled.reduce(greatestCommonDivisor, 0);
  return scaled.map((weight) => weight / divisor);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function badWeights(weights: readonly number[], wanted: string): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'the proportions cannot be kept exactly',
    where: 'the weights of datasets, buckets or resolutions',
    wanted,
    got: weights.join(', '),
    next: 'write simpler weights, such as 3 and 1',
  });
}
