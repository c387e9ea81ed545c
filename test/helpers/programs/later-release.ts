import { entryCodec } from '../../../ts/cluster/wire.js';

// Loaded into a daemon before it begins: from then on it writes entries as a release to come may, of a later schema and
// with a field that nobody knows yet, or as one that came before, without what was added since.

const encode = entryCodec.encode;
/** Number 99, a text. */
const unknown = Buffer.concat([Buffer.from([0x9a, 0x06, 0x03]), Buffer.from('new')]);

entryCodec.encode = (message) => {
  if (process.env.VIPD_TEST_RELEASE === 'later') return Buffer.concat([encode({ ...message, schema: 9 }), unknown]);
  const { node, schema: _, ...rest } = message;
  const { zone: _zone, plane: _plane, kernel: _kernel, ...older } = node ?? {};
  return encode({ ...rest, ...(node && { node: older }) } as typeof message);
};
