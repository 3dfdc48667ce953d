import type { AddressInfo } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FlatlineConfig } from '../config/environment';
import { CONFIG, publicBaseUrl } from '../config/load-config';

/** The base URL people and jobs use, without a slash at its end. With PORT=0 it is known once the process listens. */
@Injectable()
export class PublicUrl {
  constructor(
    @Inject(CONFIG) private readonly config: FlatlineConfig,
    private readonly host: HttpAdapterHost,
  ) {}

  get base(): string {
    const server = this.host.httpAdapter.getHttpServer() as { address(): AddressInfo | string | null };
    const address = server.address();
    return publicBaseUrl(this.config, typeof address === 'object' && address ? address.port : this.config.PORT);
  }
}
