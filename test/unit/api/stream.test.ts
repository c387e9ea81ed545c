import test from 'ava';
import fc from 'fast-check';
import { decodeEvents, encodeEvent, keepAlive } from '../../../ts/api/stream.js';

async function decode(pieces: readonly string[]): Promise<unknown[]> {
  const values: unknown[] = [];
  async function* arrive() {
    yield* pieces;
  }
  for await (const value of decodeEvents(arrive())) values.push(value);
  return values;
}

/** Cuts a text into pieces of the given lengths, the last one taking the rest. */
function cut(text: string, [length, ...lengths]: readonly number[]): string[] {
  return length === undefined ? [text] : [text.slice(0, length), ...cut(text.slice(length), lengths)];
}

test('values survive however the stream is cut, comments between them', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.jsonValue()), fc.array(fc.nat(9)), async (values, lengths) => {
      const text = values.map((value) => encodeEvent(value) + keepAlive).join('');
      const expected = values.map((value) => JSON.parse(JSON.stringify(value)) as unknown);
      t.deepEqual(await decode(cut(text, lengths)), expected);
    }),
    { numRuns: 200 },
  );
});

test('a value cut off by the end of the stream is not reported', async (t) => {
  t.deepEqual(await decode(['data: 1\n\nda', 'ta: 2']), [1]);
});
