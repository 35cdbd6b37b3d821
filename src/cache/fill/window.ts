/** Bounds how much is held at once, in bytes or in jobs: who wants more waits, first come, first served. */
export class Window {
  readonly #limit: number;
  readonly #waiting: {
    readonly amount: number;
    readonly enter: () => void;
    readonly refuse: (e: unknown) => void;
  }[] = [];
  #held = 0;
  #closed: { readonly reason: unknown } | null = null;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether {@link take} would not wait. */
  hasRoom(amount: number): boolean {
    return this.#waiting.length === 0 && this.#fits(amount);
  }

  /** Waits until the amount fits. What is larger than the whole window passes when nothing else is held. */
  async take(amount: number): Promise<void> {
    if (this.#closed) throw this.#closed.reason;
    if (this.hasRoom(amount)) {
      this.#held += amount;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ amount, enter: resolve, refuse: reject });
    });
  }

  give(amount: number): void {
    this.#held -= amount;
    for (let first = this.#waiting[0]; first && this.#fits(first.amount); first = this.#waiting[0]) {
      this.#waiting.shift();
      this.#held += first.amount;
      first.enter();
    }
  }

  /** Everyone who waits, or comes later, is refused with the reason. */
  close(reason: unknown): void {
    this.#closed ??= { reason };
    for (const { refuse } of this.#waiting.splice(0)) refuse(reason);
  }

  #fits(amount: number): boolean {
    return this.#held === 0 || this.#held + amount <= this.#limit;
  }
}
