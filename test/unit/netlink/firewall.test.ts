import test from 'ava';
import { type BaseChain, filtersForwarded, meetsForwarded, ownTable } from '../../../ts/netlink/firewall.js';

const [IPV4, INET] = [2, 1];
const [PREROUTING, INPUT, FORWARD, POSTROUTING] = [0, 1, 2, 4];

function chain(fields: Partial<BaseChain>): BaseChain {
  const operators = { family: INET, table: 'filter', name: 'chain', type: 'filter', hook: FORWARD };
  return { ...operators, drops: false, rules: 1, ...fields };
}

test('a chain counts that sees forwarded packets and does something to them', (t) => {
  for (const hook of [PREROUTING, FORWARD, POSTROUTING]) {
    t.true(filtersForwarded(chain({ hook })) && meetsForwarded(chain({ hook })), `${hook}`);
    t.true(filtersForwarded(chain({ hook, rules: 0, drops: true })), `${hook}`);
    t.false(meetsForwarded(chain({ hook, rules: 0 })), `${hook}`);
  }
  t.false(meetsForwarded(chain({ hook: INPUT })));
});

test('NAT counts for what leaves the node only', (t) => {
  const nat = chain({ type: 'nat', hook: POSTROUTING });
  t.false(filtersForwarded(nat));
  t.true(meetsForwarded(nat));
});

test('the table that IPVS has of us does not count, one of that name in another family does', (t) => {
  const claim = { table: ownTable, name: 'claim_prerouting', type: 'nat', hook: PREROUTING };
  t.false(meetsForwarded(chain(claim)));
  t.false(filtersForwarded(chain({ table: ownTable })));
  t.true(meetsForwarded(chain({ ...claim, family: IPV4 })));
});
