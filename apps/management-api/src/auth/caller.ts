import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { ApiKeyScope } from '@flatline/persistence';

/** Who makes a request: a key of one project. */
export interface Caller {
  readonly keyId: string;
  readonly projectId: string;
  readonly scope: ApiKeyScope;
  /** May create projects. */
  readonly instanceAdmin: boolean;
}

const CALLER = Symbol('caller');

/** Notes who makes the request. Only the guard does. */
export function setCaller(request: object, caller: Caller): void {
  (request as { [CALLER]?: Caller })[CALLER] = caller;
}

/** The caller of the request, as a handler's argument. */
export const CurrentCaller = createParamDecorator((_data: unknown, context: ExecutionContext): Caller => {
  const caller = context.switchToHttp().getRequest<{ [CALLER]?: Caller }>()[CALLER];
  if (!caller) throw new Error('a handler asks for the caller without the guard');
  return caller;
});
