import type { ModeStatus } from '../../api/routes/mode.js';
import { parseDuration } from '../../model/duration.js';
import { type Mode, modes } from '../../model/mode.js';
import { faultText, VipdError } from '../../util/errors.js';
import { exitStatus } from '../../util/exit.js';
import { properties } from '../output.js';
import type { Commands, Session } from '../session.js';

export function addMode(commands: Commands): void {
  commands
    .add('mode [mode]', 'which data plane serves; with ebpf, ipvs or auto: exchange it while traffic goes on')
    .option('--drain <duration>', 'let the old one go on with its connections so long at most; 0s for none')
    .action(
      commands.action(async (session, mode: string | undefined, { drain }: { drain?: string }) => {
        const status = mode === undefined ? await session.client.mode() : await change(session, mode, drain);
        session.print(status, () => modeText(status, Date.now()));
        return status.fault === undefined ? exitStatus.ok : exitStatus.failed;
      }),
    );
}

function change(session: Session, mode: string, drain: string | undefined): Promise<ModeStatus> {
  if (!isMode(mode)) {
    const cause = `must be one of ${modes.join(', ')}, not ${mode}`;
    throw new VipdError({ code: 'USAGE_INVALID', object: 'mode', cause });
  }
  const drainMs = drain === undefined ? {} : { drainMs: /^0(ms|s|m|h)?$/.test(drain) ? 0 : parseDuration(drain) };
  return session.client.setMode({ body: { mode, ...drainMs } });
}

function isMode(text: string): text is Mode {
  return modes.some((mode) => mode === text);
}

/** Also a part of the node's status. */
export function modeText(status: ModeStatus, now: number): string {
  const { wanted, from, plane, changing, draining, planes, fault } = status;
  return properties([
    ['plane', plane],
    ['mode', `${wanted}, by ${from === 'operator' ? 'vipctl' : 'the configuration'}`],
    ...(changing === undefined ? [] : [['changing to', changing] as const]),
    ...(draining === undefined ? [] : [['draining', drainText(draining, now)] as const]),
    ...planes.map(({ name, usable, reason, hint }) => {
      return [name, usable ? 'usable here' : `not usable: ${reason}${hint === undefined ? '' : ` (${hint})`}`] as const;
    }),
    ...(fault === undefined ? [] : [['fault', faultText(fault)] as const]),
  ]);
}

function drainText({ plane, until }: NonNullable<ModeStatus['draining']>, now: number): string {
  return `${plane}, ${Math.max(0, Math.ceil((until - now) / 1_000))} s at most`;
}
