/** The walls around a program that others have written: which there are, and how a program is run behind them. @module */
export { inBubblewrap } from './bubblewrap.js';
export { gitRooms, packageRooms } from './git-rooms.js';
export { cellOf, launch, launchHere, roomsOfFolder } from './launch.js';
export type { Launch, Tenant } from './launch.js';
export { probeCell } from './probe.js';
export type { CellProbe } from './probe.js';
export { CellSettingsError, cellSettingsFile, readCellSettings } from './settings.js';
export type { CellSettings } from './settings.js';
export { cellNetworks } from './types.js';
export type { Cell, CellCommand, CellNetwork, Launcher } from './types.js';
