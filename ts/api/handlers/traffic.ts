import type { ApiPorts, EventsPort } from '../ports.js';
import type { Handlers } from '../routes/routes.js';
import type { Event, trafficRoutes } from '../routes/traffic.js';

/** Events kept for a reader that is slower than the events; older ones are dropped first. */
const backlogLimit = 10_000;

export function trafficHandlers({ plane, events }: ApiPorts): Handlers<typeof trafficRoutes> {
  return {
    flows: async ({ limit = 1_000, exact = false }) => {
      const flows = await plane.flows(limit, exact ? (flow) => flow.exact !== undefined : undefined);
      return { flows };
    },
    events: async ({ follow = true }, signal) => (follow ? followed(events, signal) : replayed(events)),
  };
}

async function* replayed(events: EventsPort): AsyncGenerator<Event> {
  yield* events.recent();
}

async function* followed(events: EventsPort, signal: AbortSignal): AsyncGenerator<Event> {
  const backlog = [...events.recent()];
  let wake = () => {};
  const wakeUp = () => wake();
  const unsubscribe = events.subscribe((event) => {
    backlog.push(event);
    if (backlog.length > backlogLimit) backlog.shift();
    wake();
  });
  signal.addEventListener('abort', wakeUp);
  try {
    while (!signal.aborted) {
      const event = backlog.shift();
      if (event !== undefined) yield event;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    unsubscribe();
    signal.removeEventListener('abort', wakeUp);
  }
}
