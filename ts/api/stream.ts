/**
 * Server-sent events (HTML Standard §9.2), one JSON value each. Comments keep the connection alive and let the server
 * notice that nobody reads any more.
 */

/** The frame of one value. */
export function encodeEvent(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

export const keepAlive = ': still here\n\n';

/** Values of a stream that arrives in arbitrary pieces; frames without data are skipped. */
export async function* decodeEvents(pieces: AsyncIterable<string>): AsyncGenerator<unknown> {
  let pending = '';
  for await (const piece of pieces) {
    const frames = (pending + piece).split('\n\n');
    pending = frames.pop() ?? '';
    for (const frame of frames) {
      const data = frame.split('\n').filter((line) => line.startsWith('data:'));
      if (data.length > 0) yield JSON.parse(data.map((line) => line.slice(5).trimStart()).join('\n'));
    }
  }
}
