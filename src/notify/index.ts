/** Notifications: hooks of a host that are told what happens in its town. @module */
export { deliver, signatureOf } from './deliver.js';
export type { Notification } from './event.js';
export { eventNames, NotificationSettingsError, readHooks, settingsPath } from './settings.js';
export type { EventName, Hook } from './settings.js';
export { Notifier } from './watcher.js';
