/**
 * Eigenvalues and eigenvectors of a real symmetric matrix in float64: Householder reduction to tridiagonal form, then implicit
 * QL with Wilkinson shifts (Golub and Van Loan, "Matrix Computations", 4th ed., §8.3). Time O(n^3): about a second at n = 512.
 */

export interface SymmetricEigen {
  /** Descending, [n]. */
  readonly values: Float64Array;
  /** Unit eigenvectors as rows in the order of `values`, [n * n]. Each one's largest component is positive. */
  readonly vectors: Float64Array;
}

/**
 * Only the lower triangle of `matrix` [n * n] is read.
 * @throws Error (a defect) when the sizes do not fit, a value is not finite, or QL does not converge.
 */
export function symmetricEigen(matrix: Float64Array, n: number): SymmetricEigen {
  const { diagonal, below, basis } = tridiagonalised(matrix, n, true);
  implicitQl(diagonal, below, basis);
  return inDescendingOrder(diagonal, basis!);
}

/** Eigenvalues alone, descending, [n]: a third of the time. Errors as {@link symmetricEigen}. */
export function symmetricEigenvalues(matrix: Float64Array, n: number): Float64Array {
  const { diagonal, below } = tridiagonalised(matrix, n, false);
  implicitQl(diagonal, below, null);
  return diagonal.sort().reverse();
}

interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** below[i] couples i - 1 and i; below[0] is 0. */
  readonly below: Float64Array;
  /** Rows of the orthogonal matrix W with W A W^T tridiagonal, [n * n]; null when not asked for. */
  readonly basis: Float64Array | null;
}

function tridiagonalised(matrix: Float64Array, n: number, withBasis: boolean): Tridiagonal {
  if (!(n >= 1) || matrix.length !== n * n)
    throw new Error(`internal: ${matrix.length} values are no ${n} x ${n} matrix`);
  const a = matrix.slice();
  const below = new Float64Array(n);
  // half the squared length of each reflector, 0 where none was needed; the reflector itself stays in its row of `a`
  const halfSquares = new Float64Array(n);
  const product = new Float64Array(n);
  for (let i = n - 1; i >= 1; i--) halfSquares[i] = reflectRow(a, n, i, below, product);
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i * n + i]!);
  for (let i = 0; i < n; i++)
    if (!Number.isFinite(diagonal[i]!) || !Number.isFinite(below[i]!))
      throw new Error('internal: the matrix has values that are not finite');
  return { diagonal, below, basis: withBasis ? basisOf(a, halfSquares, n) : null };
}

/** Makes row i zero left of the subdiagonal by A <- H A H with H = I - v v^T / h; leaves v in row i and returns h. */
function reflectRow(
  a: Float64Array,
  n: number,
  i: number,
  below: Float64Array,
  product: Float64Array,
): number {
  const row = i * n;
  let off = 0;
  for (let k = 0; k < i - 1; k++) off += Math.abs(a[row + k]!);
  if (off === 0) {
    below[i] = a[row + i - 1]!;
    return 0;
  }
  let squares = 0;
  for (let k = 0; k < i; k++) squares += a[row + k]! ** 2;
  const last = a[row + i - 1]!;
  const length = last > 0 ? -Math.sqrt(squares) : Math.sqrt(squares);
  below[i] = length;
  const h = squares - last * length;
  a[row + i - 1] = last - length;
  product.fill(0, 0, i);
  for (let j = 0; j < i; j++) {
    const vj = a[row + j]!;
    let sum = 0;
    const at = j * n;
    for (let k = 0; k < j; k++) {
      const x = a[at + k]!;
      sum += x * a[row + k]!;
      product[k]! += x * vj;
    }
    product[j]! += sum + a[at + j]! * vj;
  }
  let dot = 0;
  for (let j = 0; j < i; j++) {
    product[j]! /= h;
    dot += product[j]! * a[row + j]!;
  }
  const shift = dot / (2 * h);
  for (let j = 0; j < i; j++) product[j]! -= shift * a[row + j]!;
  for (let j = 0; j < i; j++) {
    const vj = a[row + j]!;
    const qj = product[j]!;
    const at = j * n;
    for (let k = 0; k <= j; k++) a[at + k]! -= vj * product[k]! + qj * a[row + k]!;
  }
  return h;
}

/** H_1 H_2 ... H_(n-1), by multiplying from the right: every inner loop runs along a row. */
function basisOf(a: Float64Array, halfSquares: Float64Array, n: number): Float64Array {
  const w = new Float64Array(n * n);
  for (let i = 0; i < n; i++) w[i * n + i] = 1;
  for (let i = 1; i < n; i++) {
    const h = halfSquares[i]!;
    if (h === 0) continue;
    const v = i * n;
    for (let k = 0; k < i; k++) {
      const row = k * n;
      let dot = 0;
      for (let c = 0; c < i; c++) dot += w[row + c]! * a[v + c]!;
      dot /= h;
      for (let c = 0; c < i; c++) w[row + c]! -= dot * a[v + c]!;
    }
  }
  return w;
}

const MOST_SWEEPS = 60;

/** Diagonalises in place; rotates the rows of `basis` along, when there is one. */
function implicitQl(d: Float64Array, below: Float64Array, basis: Float64Array | null): void {
  const n = d.length;
  const e = new Float64Array(n);
  e.set(below.subarray(1));
  for (let l = 0; l < n; l++) {
    for (let sweep = 0; ; sweep++) {
      let m = l;
      while (m < n - 1) {
        const scale = Math.abs(d[m]!) + Math.abs(d[m + 1]!);
        if (Math.abs(e[m]!) <= Number.EPSILON * scale) break;
        m++;
      }
      if (m === l) break;
      if (sweep === MOST_SWEEPS) throw new Error('internal: the QL iteration does not converge');
      sweepOnce({ d, e, basis }, l, m);
    }
  }
}

interface QlState {
  readonly d: Float64Array;
  readonly e: Float64Array;
  readonly basis: Float64Array | null;
}

function sweepOnce({ d, e, basis }: QlState, l: number, m: number): void {
  const half = (d[l + 1]! - d[l]!) / (2 * e[l]!);
  const root = Math.hypot(half, 1);
  let g = d[m]! - d[l]! + e[l]! / (half + (half >= 0 ? root : -root));
  let sine = 1;
  let cosine = 1;
  let p = 0;
  for (let i = m - 1; i >= l; i--) {
    const f = sine * e[i]!;
    const b = cosine * e[i]!;
    const r = Math.hypot(f, g);
    e[i + 1] = r;
    if (r === 0) {
      // the block splits here
      d[i + 1]! -= p;
      e[m] = 0;
      return;
    }
    sine = f / r;
    cosine = g / r;
    g = d[i + 1]! - p;
    const t = (d[i]! - g) * sine + 2 * cosine * b;
    p = sine * t;
    d[i + 1] = g + p;
    g = cosine * t - b;
    if (basis !== null) rotateRows(basis, d.length, i, { sine, cosine });
  }
  d[l]! -= p;
  e[l] = g;
  e[m] = 0;
}

function rotateRows(
  w: Float64Array,
  n: number,
  i: number,
  { sine, cosine }: { readonly sine: number; readonly cosine: number },
): void {
  const low = i * n;
  const high = low + n;
  for (let k = 0; k < n; k++) {
    const x = w[low + k]!;
    const y = w[high + k]!;
    w[high + k] = sine * x + cosine * y;
    w[low + k] = cosine * x - sine * y;
  }
}

function inDescendingOrder(diagonal: Float64Array, basis: Float64Array): SymmetricEigen {
  const n = diagonal.length;
  const order = Array.from(diagonal.keys()).sort((i, j) => diagonal[j]! - diagonal[i]! || i - j);
  const values = Float64Array.from(order, (i) => diagonal[i]!);
  const vectors = new Float64Array(n * n);
  order.forEach((from, to) => {
    const row = basis.subarray(from * n, (from + 1) * n);
    let largest = 0;
    for (const x of row) if (Math.abs(x) > Math.abs(largest)) largest = x;
    const sign = largest < 0 ? -1 : 1;
    for (let k = 0; k < n; k++) vectors[to * n + k] = sign * row[k]!;
  });
  return { values, vectors };
}
