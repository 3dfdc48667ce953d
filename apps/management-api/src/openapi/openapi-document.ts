import { Inject, Injectable, type Type } from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { PublicUrl } from '@flatline/service-kernel';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { cleanupOpenApiDoc } from 'nestjs-zod';
import { componentSchemas, renameReferences } from './component-schemas';
import { addErrorResponses, problemSchema } from './error-responses';
import { PING_PATH, pingPath } from './ping-paths';

const SECURITY_SCHEME = 'key';
const METHODS = ['get', 'head', 'post', 'patch', 'delete'] as const;

/** The module whose routes the document describes. */
export const DOCUMENTED_MODULE = Symbol('DOCUMENTED_MODULE');

/**
 * The OpenAPI 3.1 document of the public API, made once, when it is first asked for, from the schemas that validate
 * requests. Ping URLs and the errors every route can give are added.
 */
@Injectable()
export class OpenApiDocument {
  private document: OpenAPIObject | undefined;

  constructor(
    private readonly publicUrl: PublicUrl,
    @Inject(DOCUMENTED_MODULE) private readonly documented: Type<unknown>,
    private readonly modules: ModulesContainer,
    private readonly applicationConfig: ApplicationConfig,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  get(): OpenAPIObject {
    this.document ??= this.build();
    return this.document;
  }

  private build(): OpenAPIObject {
    const settings = new DocumentBuilder()
      .setOpenAPIVersion('3.1.0')
      .setTitle('Flatline')
      .setDescription('Know when your scheduled jobs silently stop.')
      .setVersion('1')
      .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
      .addServer(this.publicUrl.base)
      .addSecurity(SECURITY_SCHEME, { type: 'http', scheme: 'bearer', description: 'A management key.' })
      .addSecurityRequirements(SECURITY_SCHEME)
      .build();
    const generated = SwaggerModule.createDocument(this.application(), settings, {
      include: [this.documented],
      operationIdFactory: (controller, method) => `${controller.replace('Controller', '').toLowerCase()}_${method}`,
    });
    return complete(cleanupOpenApiDoc(generated, { version: '3.1' }));
  }

  /**
   * What the generator reads of an application. A module that brings its own document works in every process it is part
   * of; the application itself is not to be had from inside one.
   */
  private application(): Parameters<typeof SwaggerModule.createDocument>[0] {
    const application = {
      container: { getModules: () => this.modules, isGlobalModule: () => false },
      config: this.applicationConfig,
      getHttpAdapter: () => this.adapterHost.httpAdapter,
    };
    return application as unknown as Parameters<typeof SwaggerModule.createDocument>[0];
  }
}

/** Adds what the generator cannot know: ping URLs, errors, and components as zod itself describes the schemas. */
function complete(document: OpenAPIObject): OpenAPIObject {
  const paths = { ...document.paths, [PING_PATH]: pingPath };
  for (const [path, item] of Object.entries(paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (!operation) continue;
      addErrorResponses(path, method, operation);
      // A change of nothing is one too.
      if (method === 'patch' && operation.requestBody) Object.assign(operation.requestBody, { required: false });
    }
  }
  const schemas = { ...componentSchemas(), Problem: problemSchema };
  const components = { ...document.components, schemas } as unknown as OpenAPIObject['components'];
  return renameReferences({ ...document, paths, components } as OpenAPIObject);
}
