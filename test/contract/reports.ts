import type { Report, Source } from '../../ts/sources/source.js';

/** Runs a source and keeps what it reports, so that a test can wait for a report instead of for a time. */
export class Reports {
  readonly all: Report[] = [];
  readonly #controller = new AbortController();
  readonly #ended: Promise<void>;
  #arrived: () => void = () => {};

  constructor(source: Source) {
    this.#ended = source.run((report) => {
      this.all.push(report);
      this.#arrived();
    }, this.#controller.signal);
  }

  /** The first report from `from` on that satisfies the condition. */
  async until(condition: (report: Report) => boolean, from = 0): Promise<Report> {
    for (let i = from; ; i++) {
      while (i >= this.all.length) await this.#next();
      const report = this.all[i]!;
      if (condition(report)) return report;
    }
  }

  /** The first report whose good set has exactly these names. */
  named(...names: readonly string[]): Promise<Report> {
    const wanted = names.toSorted().join();
    return this.until((report) => !report.keepLast && namesOf(report).join() === wanted);
  }

  /** Resolves when the source's run has. */
  async stop(): Promise<void> {
    this.#controller.abort();
    await this.#ended;
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#arrived = resolve;
    });
  }
}

export function namesOf(report: Report): readonly string[] {
  return report.services.map(({ name }) => name).sort();
}
