export interface NotifierOptions {
  /** Microseconds within which systemd wants a sign of life, as it says in WATCHDOG_USEC; undefined for none. */
  readonly watchdog: string | undefined;
}

/** What systemd is told (sd_notify(3)): ready, stopping, and, where the unit asks for it, a sign of life. */
export class Notifier {
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly options: NotifierOptions,
    private readonly modules: { readonly send: (message: string) => void },
  ) {}

  /** From now on the watchdog is fed for as long as `alive` says so. */
  ready(alive: () => boolean): void {
    this.modules.send('READY=1');
    const microseconds = Number(this.options.watchdog ?? 0);
    if (!(microseconds > 0)) return;
    // Twice in the time allowed, as sd_watchdog_enabled(3) recommends.
    this.#timer = setInterval(() => alive() && this.modules.send('WATCHDOG=1'), microseconds / 2_000);
    this.#timer.unref();
  }

  stopping(): void {
    clearInterval(this.#timer);
    this.modules.send('STOPPING=1');
  }
}
