import { numberIn, parseAttributes } from './message.js';
import { withSocket } from './socket.js';

// linux/fib_rules.h, linux/rtnetlink.h
const RTM_NEWRULE = 32;
const RTM_GETRULE = 34;
const fibRuleHeader = { size: 12, family: 0, table: 4 };
const FRA_TABLE = 15;
const AF_INET = 2;
const AF_INET6 = 10;

/** The routing tables that rules send packets to, as `ip rule` shows them. @throws NativeError */
export function ruleTables(): ReadonlySet<number> {
  const tables = [AF_INET, AF_INET6].flatMap((family) => {
    const request = Buffer.alloc(fibRuleHeader.size);
    request[fibRuleHeader.family] = family;
    return withSocket((socket) => socket.dump('routing rules', RTM_GETRULE, request))
      .filter(({ type }) => type === RTM_NEWRULE)
      .map(({ payload }) => {
        const attributes = parseAttributes(payload, fibRuleHeader.size);
        return numberIn(attributes, FRA_TABLE) ?? payload[fibRuleHeader.table]!;
      });
  });
  return new Set(tables);
}
