/**
 * Hadamard matrices: entries +1 and -1, rows orthogonal. Sylvester doubling, both constructions of Paley for prime q (Paley,
 * "On orthogonal matrices", 1933), and Kronecker products of those: every channel count of the usual teachers (distillation.md
 * §4.3). None exists for an order above 2 that is no multiple of 4; 92 and 116 would need other constructions.
 */

/** [n * n] of +1 and -1, or null when these constructions give none. */
export function hadamard(n: number): Int8Array | null {
  if (n === 1) return Int8Array.of(1);
  if (n === 2) return Int8Array.of(1, 1, 1, -1);
  if (n < 4 || n % 4 !== 0) return null;
  const direct = paleyOne(n) ?? paleyTwo(n);
  if (direct !== null) return direct;
  for (let factor = 2; factor * factor <= n; factor++) {
    if (n % factor !== 0) continue;
    const left = hadamard(factor);
    const right = left && hadamard(n / factor);
    if (left && right) return kronecker(left, factor, right, n / factor);
  }
  return null;
}

/** The largest order up to `most` that {@link hadamard} has. */
export function hadamardOrderUpTo(most: number): number {
  let order = most;
  while (!hasHadamard(order)) order -= 1;
  return order;
}

/** Whether {@link hadamard} has the order, without building it. */
export function hasHadamard(n: number): boolean {
  if (n === 1 || n === 2) return true;
  if (n < 4 || n % 4 !== 0) return false;
  if (fitsPaleyOne(n) || fitsPaleyTwo(n)) return true;
  for (let factor = 2; factor * factor <= n; factor++)
    if (n % factor === 0 && hasHadamard(factor) && hasHadamard(n / factor)) return true;
  return false;
}

const fitsPaleyOne = (n: number): boolean => isPrime(n - 1) && (n - 1) % 4 === 3;
const fitsPaleyTwo = (n: number): boolean => n % 2 === 0 && isPrime(n / 2 - 1) && (n / 2 - 1) % 4 === 1;

/** Order q + 1, q = 3 mod 4: I + S with S skew, bordered by ones. */
function paleyOne(n: number): Int8Array | null {
  if (!fitsPaleyOne(n)) return null;
  const q = n - 1;
  const residue = quadraticCharacter(q);
  const out = new Int8Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++)
      out[i * n + j] = i === 0 ? 1 : j === 0 ? -1 : i === j ? 1 : residue[(i - j + q) % q]!;
  return out;
}

/** Order 2 (q + 1), q = 1 mod 4: a symmetric conference matrix with [1 1; 1 -1] for 1 and [1 -1; -1 -1] for 0. */
function paleyTwo(n: number): Int8Array | null {
  if (!fitsPaleyTwo(n)) return null;
  const q = n / 2 - 1;
  const residue = quadraticCharacter(q);
  const conference = (i: number, j: number): number =>
    i === j ? 0 : i === 0 || j === 0 ? 1 : residue[(i - j + q) % q]!;
  const out = new Int8Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      const value = conference(i >> 1, j >> 1);
      const both = (i & 1) === 1 && (j & 1) === 1;
      if (value !== 0) out[i * n + j] = both ? -value : value;
      else out[i * n + j] = (i & 1) === 0 && (j & 1) === 0 ? 1 : -1;
    }
  return out;
}

/** By x mod q: 0 for 0, 1 for squares, -1 for the others. */
function quadraticCharacter(q: number): Int8Array {
  const character = new Int8Array(q).fill(-1);
  character[0] = 0;
  for (let x = 1; x < q; x++) character[(x * x) % q] = 1;
  return character;
}

function kronecker(a: Int8Array, n: number, b: Int8Array, m: number): Int8Array {
  const side = n * m;
  const out = new Int8Array(side * side);
  for (let i = 0; i < side; i++)
    for (let j = 0; j < side; j++)
      out[i * side + j] = a[Math.floor(i / m) * n + Math.floor(j / m)]! * b[(i % m) * m + (j % m)]!;
  return out;
}

function isPrime(n: number): boolean {
  if (n < 2) return false;
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return true;
}
