/** Something to be done before long. Asked for again it is done at the sooner time: who asks without end puts nothing off. */
export class Due {
  #next: { readonly at: number; readonly timer: NodeJS.Timeout } | undefined;

  constructor(private readonly act: () => void) {}

  /** In so many milliseconds, or sooner. */
  in(ms: number): void {
    const at = performance.now() + ms;
    if (this.#next && this.#next.at <= at) return;
    this.cancel();
    const timer = setTimeout(() => {
      this.#next = undefined;
      this.act();
    }, ms);
    this.#next = { at, timer };
  }

  cancel(): void {
    clearTimeout(this.#next?.timer);
    this.#next = undefined;
  }
}
