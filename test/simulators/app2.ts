/** The app of the DC/OS tutorials that the simulation plays, examples/marathon/app2.json, and what it is called where. */

export const APP = '/dcos-101/app2';
export const PORT = 10_000;
export const NAME = 'dcos-101app2.marathon.l4lb.thisdcos.directory';
export const SERVICE = 'dcos-101app2.marathon_10000';
export const TASK = 'app2-dcos-101.marathon.autoip.dcos.thisdcos.directory';
