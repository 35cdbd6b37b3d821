/** WebAssembly instructions as bytes (webassembly.github.io/spec, "Binary Format"), as far as our kernels use them. */

export type Code = readonly number[];

export const ADD: Code = [0x6a];
export const MULTIPLY: Code = [0x6c];
export const get = (local: number): Code => [0x20, local];
export const set = (local: number): Code => [0x21, local];
export const constant = (value: number): Code => [0x41, ...signed(value)];
export const vector = (opcode: number, ...rest: Code): Code => [0xfd, ...unsigned(opcode), ...rest];
/** Alignment is a hint: 2^2 always holds. */
export const load = (offset: number): Code => [0x28, 2, ...unsigned(offset)];
export const loadVector = (offset: number): Code => vector(0x00, 2, ...unsigned(offset));
export const storeVector = (offset: number): Code => vector(0x0b, 2, ...unsigned(offset));

/** An integer in all four lanes. */
export const lanes32 = (value: number): Code => {
  const bytes = [0, 8, 16, 24].map((shift) => (value >>> shift) & 255);
  return vector(0x0c, ...bytes, ...bytes, ...bytes, ...bytes);
};

/** Lanes of float32: both, or four, per vector. */
export const f32x4 = {
  loadSplat: (offset: number): Code => vector(0x09, 2, ...unsigned(offset)),
  add: vector(0xe4),
  subtract: vector(0xe5),
  multiply: vector(0xe6),
  /** From signed integers. */
  convert: vector(0xfa),
} as const;

export const f64x2 = {
  loadSplat: (offset: number): Code => vector(0x0a, 3, ...unsigned(offset)),
  add: vector(0xf0),
  subtract: vector(0xf1),
  multiply: vector(0xf2),
  /** Of the two low lanes of float32. */
  promoteLow: vector(0x5f),
} as const;

export const i32x4 = {
  equal: vector(0x37),
  less: vector(0x39),
  greater: vector(0x3b),
  shiftLeft: (bits: number): Code => [...constant(bits), ...vector(0xab)],
  /** Zeros come in. */
  shiftRight: (bits: number): Code => [...constant(bits), ...vector(0xad)],
  /** The sign comes in. */
  shiftRightSigned: (bits: number): Code => [...constant(bits), ...vector(0xac)],
  add: vector(0xae),
  subtract: vector(0xb1),
  multiply: vector(0xb5),
  leastUnsigned: vector(0xb7),
  mostUnsigned: vector(0xb9),
  /** The eight unsigned 16-bit lanes, in two vectors. */
  extendLow: vector(0xa9),
  extendHigh: vector(0xaa),
  /** Products of eight 16-bit lanes, added in pairs. */
  dot: vector(0xba),
  /** Of two vectors of 0..65535 to eight 16-bit lanes. */
  narrow: vector(0x86),
  /** The same for -32768..32767; beyond, the nearest of them. */
  narrowSigned: vector(0x85),
} as const;

export const i16x8 = {
  /** The sixteen unsigned bytes, in two vectors. */
  extendLow: vector(0x89),
  extendHigh: vector(0x8a),
  /** Of two vectors to sixteen bytes 0..255; beyond, the nearest of them. */
  narrow: vector(0x66),
} as const;

export const i8x16 = {
  lessUnsigned: vector(0x26),
  /** Set bits of each byte. */
  popcount: vector(0x62),
  add: vector(0x6e),
  leastUnsigned: vector(0x77),
} as const;

export const v128 = {
  /** 32 bits of memory in the lowest lane, zeros above. */
  load32: (offset: number): Code => vector(0x5c, 2, ...unsigned(offset)),
  /** 32 bits of memory in every lane. */
  load32Splat: (offset: number): Code => vector(0x09, 2, ...unsigned(offset)),
  /** The lowest lane to 32 bits of memory. */
  store32: (offset: number): Code => vector(0x5a, 2, ...unsigned(offset), 0),
  and: vector(0x4e),
  or: vector(0x50),
  xor: vector(0x51),
  /** first & mask | second & ~mask */
  select: vector(0x52),
  /** The two high 64-bit lanes, twice. */
  highTwice: [...vector(0x0d), 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15] as Code,
} as const;

export const loop = (body: Code): Code => [0x03, 0x40, ...body, END];
export const advance = (local: number, by: Code): Code => [...get(local), ...by, ...ADD, ...set(local)];
/** Counts a local down and goes back to the start of the innermost loop until it is 0. */
export const againWhile = (local: number): Code => [
  ...get(local),
  ...constant(-1),
  ...ADD,
  0x22,
  local,
  0x0d,
  0,
];

export const END = 0x0b;

/** Integers are LEB128. */
export function unsigned(value: number): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

function signed(value: number): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    if (rest >= -64 && rest < 64) return [...bytes, rest & 0x7f];
    bytes.push((rest & 0x7f) | 0x80);
  }
}
