export { NotifierModule } from './notifier.module';
export { Notifier, type NotifierParts } from './notifier';
