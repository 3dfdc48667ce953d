import { type CanActivate, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { ApiKeyScope } from '@flatline/persistence';
import { Problem } from '@flatline/service-kernel';
import type { FastifyRequest } from 'fastify';
import { ApiKeys } from './api-keys.service';
import { setCaller } from './caller';

/** Visible ASCII, and longer than any key we make or let anybody choose. */
const BEARER = /^Bearer +([\x21-\x7e]{1,256}) *$/i;

const RANK: Readonly<Record<ApiKeyScope, number>> = { read: 0, write: 1, admin: 2 };
const REQUIRED_SCOPE = 'flatline:scope';

/** The least scope a handler needs; `read` unless said. */
export const RequiresScope = (scope: ApiKeyScope) => SetMetadata(REQUIRED_SCOPE, scope);

/** Lets in whoever carries a valid key of sufficient scope: 401 without one, 403 with one that may not do this. */
@Injectable()
export class BearerGuard implements CanActivate {
  constructor(
    private readonly keys: ApiKeys,
    private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const header = request.headers.authorization;
    if (header === undefined || header === '') throw unauthorized('missing authorization');
    const key = BEARER.exec(header)?.[1];
    const caller = key === undefined ? null : await this.keys.callerOf(key);
    if (!caller) throw unauthorized('unauthorized');
    const required =
      this.reflector.getAllAndOverride<ApiKeyScope | undefined>(REQUIRED_SCOPE, [
        context.getHandler(),
        context.getClass(),
      ]) ?? 'read';
    if (RANK[caller.scope] < RANK[required]) throw new Problem(403, 'forbidden');
    setCaller(request, caller);
    return true;
  }
}

function unauthorized(message: string): Problem {
  return new Problem(401, message, { headers: { 'www-authenticate': 'Bearer' } });
}
