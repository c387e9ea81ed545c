import { type Message, numberIn, parseAttributes, textIn, u32, u32Bytes } from './message.js';
import { withSocket } from './socket.js';

/** A BPF program on the clsact qdisc of an interface. */
export interface ClsactFilter {
  readonly handle: number;
  /** Lower runs first. */
  readonly priority: number;
  readonly progId: number;
  /** As the one who attached it called it. */
  readonly name: string;
}

// linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h
const RTM_NEWTFILTER = 44;
const RTM_GETTFILTER = 46;
const tcmsg = { size: 20, ifindex: 4, handle: 8, parent: 12, info: 16 };
const parents = { ingress: 0xfffffff2, egress: 0xfffffff3 } as const;
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_BPF_NAME = 7;
const TCA_BPF_ID = 11;

/** The programs in the order they run; empty without a clsact qdisc. @throws NativeError ENODEV */
export function clsactFilters(ifindex: number, direction: 'ingress' | 'egress'): ClsactFilter[] {
  return filtersOf(ifindex, direction).flatMap((message) => filterIn(message) ?? []);
}

/** Whether anybody has a filter there, of whatever kind. @throws NativeError ENODEV */
export function hasClsactFilters(ifindex: number): boolean {
  return (['ingress', 'egress'] as const).some((direction) => filtersOf(ifindex, direction).length > 0);
}

function filtersOf(ifindex: number, direction: 'ingress' | 'egress'): Message[] {
  const request = Buffer.alloc(tcmsg.size);
  request.set(u32Bytes(ifindex), tcmsg.ifindex);
  request.set(u32Bytes(parents[direction]), tcmsg.parent);
  return withSocket((socket) => socket.dump(`filters of interface ${ifindex}`, RTM_GETTFILTER, request)).filter(
    (message) => message.type === RTM_NEWTFILTER,
  );
}

/** Pure: reads an RTM_NEWTFILTER message; undefined for other kinds and for the headers between filters. */
export function filterIn({ payload }: Message): ClsactFilter | undefined {
  const attributes = parseAttributes(payload, tcmsg.size);
  const options = parseAttributes(attributes.get(TCA_OPTIONS) ?? Buffer.alloc(0));
  const progId = numberIn(options, TCA_BPF_ID);
  if (textIn(attributes, TCA_KIND) !== 'bpf' || progId === undefined) return undefined;
  return {
    handle: u32(payload, tcmsg.handle),
    priority: u32(payload, tcmsg.info) >>> 16,
    progId,
    name: textIn(options, TCA_BPF_NAME) ?? '',
  };
}
