/** What every command is given besides its options. */
export interface ProgramContext {
  readonly signal: AbortSignal;
  /** This invocation, quoted for a shell: printed where a person should run it again. */
  readonly command: string;
}
