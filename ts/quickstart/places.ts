import { Cgroup } from './cgroup.js';

/** Everything the quickstart puts into file systems is in here, so that a later run finds what a killed one left. */
export const directory = '/run/vipd-quickstart';
export const socket = `${directory}/vipd.sock`;

/** A bpf file system of our own: unmounting it unpins everything in it, and the machine's own stays untouched. */
export const bpffs = `${directory}/bpf`;
export const pins = `${bpffs}/vipd`;

/** The daemon and the servers; its members are killed at the end, so that nothing of ours lives on unnoticed. */
export const ours = new Cgroup('vipd-quickstart');

/** Members meet the sock hook. */
export const clients = new Cgroup('vipd-quickstart-clients');
