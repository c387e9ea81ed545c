import { addressBytes, parseEndpoint } from '../../model/address.js';
import { breathing } from '../../util/clock.js';
import type { DataPlane, Flow } from '../dataplane.js';
import { LbSize, type LeftFlow } from './lb.gen.js';
import type { Loaded } from './programs.js';
import { protocolNumber } from './records.js';

/** Bytes of an Ethernet header, which a program of this type finds before its data. */
const FRAME_HEADER = 14;
/** As many as the flow table has room for, unless its limit says otherwise. */
const MOST = 1 << 20;

/**
 * Tells the programs which UDP flows another data plane carries; those with an entry already stay as they are. A TCP connection
 * shows by its SYN that it is new. A datagram shows nothing: without this they would take every one for the first of a flow.
 * @throws BpfError, VipdError of the other plane
 */
export async function leaveTo(plane: Pick<DataPlane, 'flows'>, loaded: Loaded): Promise<void> {
  const program = loaded.program('tc_upkeep', 'tc_leave');
  const codec = loaded.codec<LeftFlow>('left_flow');
  const flows = await plane.flows(MOST, ({ vip, client }) => client !== undefined && vip.startsWith('udp/'));
  const breathe = breathing();
  for (let at = 0; at < flows.length; at += LbSize.LEFT_FLOWS) {
    const some = flows.slice(at, at + LbSize.LEFT_FLOWS);
    const data = Buffer.alloc(FRAME_HEADER + some.length * codec.size);
    for (const [i, flow] of some.entries()) codec.encode(recordOf(flow), data, FRAME_HEADER + i * codec.size);
    program.testRun({ data });
    await breathe();
  }
}

function recordOf({ vip, client }: Flow): LeftFlow {
  const { address, port } = parseEndpoint(vip.slice(vip.indexOf('/') + 1));
  return {
    client: { bytes: addressBytes(client?.address ?? '') },
    vip: { bytes: addressBytes(address) },
    client_port: client?.port ?? 0,
    vip_port: port,
    protocol: protocolNumber({ protocol: 'udp' }),
    pad: new Uint8Array(3),
  };
}
