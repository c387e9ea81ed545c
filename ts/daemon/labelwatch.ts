import type { Event } from '../api/routes/traffic.js';
import { type LabelReport, labelFault, type RejectedLabel, type SharedVip } from '../model/label.js';
import { faultText } from '../util/errors.js';

/** Tells once of every label that makes no VIP, and of every VIP that more applications ask for than before. */
export class LabelWatch {
  #told: ReadonlySet<string> = new Set();

  /** What is new since the last call, as events. */
  news(reports: ReadonlyMap<string, LabelReport>, now: number): readonly Event[] {
    const lines = [...reports.values()].flatMap(({ rejected, shared }) => [
      ...rejected.map(rejectedText),
      ...shared.map(sharedText),
    ]);
    const fresh = [...new Set(lines)].filter((line) => !this.#told.has(line));
    this.#told = new Set(lines);
    return fresh.map((text) => ({ at: now, kind: 'label', text }));
  }
}

/** Kept with what they say: reports come with every change of any task. */
const texts = new WeakMap<RejectedLabel | SharedVip, string>();

function remembered<T extends RejectedLabel | SharedVip>(one: T, make: (one: T) => string): string {
  const text = texts.get(one) ?? make(one);
  texts.set(one, text);
  return text;
}

function rejectedText(label: RejectedLabel): string {
  return remembered(label, (one) => faultText(labelFault(one)));
}

function sharedText(shared: SharedVip): string {
  return remembered(shared, ({ protocol, vip, apps }) => {
    return `${protocol}/${vip} is asked for by ${apps.length} applications: ${apps.join(', ')}`;
  });
}
