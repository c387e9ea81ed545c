import test from 'ava';
import fc from 'fast-check';
import { encodeRecord, RecordIoDecoder } from '../../../../ts/sources/mesos/recordio.js';
import { VipdError } from '../../../../ts/util/errors.js';

const decoder = (maxBytes = 1_000) => new RecordIoDecoder({ maxBytes });
const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof VipdError ? error.fault.code : String(error);
  }
};

test('records come out as they went in, wherever the stream is cut', (t) => {
  const records = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
  fc.assert(
    fc.property(records, fc.array(fc.integer({ min: 0, max: 50 })), (sent, lengths) => {
      const stream = Buffer.concat(sent.map(encodeRecord));
      const reader = decoder();
      const received: Buffer[] = [];
      let at = 0;
      for (const length of [...lengths, stream.length]) {
        received.push(...reader.push(stream.subarray(at, at + length)).map((one) => Buffer.from(one)));
        at += length;
      }
      t.deepEqual(
        received,
        sent.map((one) => Buffer.from(one)),
      );
    }),
  );
});

test('what is no record is refused, whatever it is', (t) => {
  for (const text of ['\n', 'x\n', '-1\n', '1.5\n', ' 1\n', '<html><body>', '0000000000001\n', '12345678901234']) {
    t.is(
      codeOf(() => decoder().push(Buffer.from(text))),
      'RECORD_INVALID',
      JSON.stringify(text),
    );
  }
});

test('a record that is longer than is allowed is refused before it arrives', (t) => {
  t.is(
    codeOf(() => decoder(10).push(Buffer.from('11\n'))),
    'RECORD_TOO_LARGE',
  );
  t.is(
    codeOf(() => decoder(10).push(Buffer.from('999999999999\n'))),
    'RECORD_TOO_LARGE',
  );
});
