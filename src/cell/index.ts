/**
 * The walls around a program that others have written: which there are, and how a program is run behind them. @module
 */
export { inBubblewrap } from './bubblewrap.js';
export { allowedBy, isInner, openGate } from './gate.js';
export type { Gate } from './gate.js';
export { gitRooms, packageRooms } from './git-rooms.js';
export { cellOf, clearRooms, launch, roomsOfFolder } from './launch.js';
export type { Launch, Tenant } from './launch.js';
export { cellKind, decideCell, describeCell, planCell, sandboxHere } from './plan.js';
export type { CellOfHost, PlanOptions } from './plan.js';
export { probeCell } from './probe.js';
export type { CellProbe } from './probe.js';
export { CellSettingsError, cellSettingsFile, cellVariable, defaultLimits, readCellSettings } from './settings.js';
export type { CellSettings } from './settings.js';
export { cellNetworks } from './types.js';
export type { Cell, CellCommand, CellLimits, CellNetwork, CellPlan, Launcher, LauncherSetting } from './types.js';
