import Ajv2020 from 'ajv/dist/2020';
import addFormats from 'ajv-formats';

import { type ApiAnswer, sendRequest } from '@flatline/test-kit';

/** As much of JSON Schema as the document uses. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly allOf?: readonly { readonly not?: JsonSchema }[];
  readonly dependentRequired?: Readonly<Record<string, readonly string[]>>;
  readonly items?: JsonSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly examples?: readonly unknown[];
}

interface Described {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: object }>> }>>;
  readonly requestBody?: { readonly content: Readonly<Record<string, { schema: JsonSchema }>> };
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: JsonSchema }[];
  readonly security?: readonly object[];
}

/** One method of one path. */
export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly operation: Described;
}

/** The OpenAPI document that a running Flatline serves, and whether answers are as it says. */
export class ApiDocument {
  readonly operations: readonly Operation[];
  private readonly ajv: Ajv2020;

  private constructor(
    readonly content: {
      readonly openapi: string;
      readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
      readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
    },
  ) {
    this.ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats(this.ajv);
    this.ajv.addSchema(content, 'api');
    this.operations = Object.entries(content.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ method, path, operation })),
    );
  }

  static async of(baseUrl: string): Promise<ApiDocument> {
    const answer = await sendRequest(baseUrl, { method: 'GET', path: '/openapi.json' });
    return new ApiDocument(answer.json as ApiDocument['content']);
  }

  /** The schema a reference stands for; others as they are. */
  resolve(schema: JsonSchema): JsonSchema {
    const name = schema.$ref?.replace('#/components/schemas/', '');
    return name === undefined ? schema : this.content.components.schemas[name]!;
  }

  /** Whether the document takes this body. */
  takesBody({ method, path }: Operation, body: unknown): boolean {
    return this.validatorOf(['paths', path, method, 'requestBody', 'content', 'application/json', 'schema'])(
      body,
    ) as boolean;
  }

  /** What an answer has that the document does not say of it; an empty text when it is as documented. */
  complaintAbout({ method, path, operation }: Operation, answer: ApiAnswer): string {
    const said = `${method} ${path} → ${answer.status} ${answer.text.slice(0, 500)}`;
    const response = operation.responses[String(answer.status)];
    if (!response) return `${said} is not documented`;
    if (!response.content) return answer.text === '' ? '' : `${said} has a body`;
    const types = Object.keys(response.content);
    if (types.join() !== 'application/json') return `${said} is documented as ${types.join()}`;
    const type = answer.headers['content-type'] ?? 'none';
    if (!/^application\/json(;|$)/.test(type)) return `${said} is of the type ${type}`;
    const pointer = [
      'paths',
      path,
      method,
      'responses',
      String(answer.status),
      'content',
      'application/json',
      'schema',
    ];
    const validate = this.validatorOf(pointer);
    return validate(answer.json) ? '' : `${said} ${JSON.stringify(validate.errors)}`;
  }

  /** References inside the document are found from its root. */
  private validatorOf(pointer: readonly string[]) {
    const escaped = pointer.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1'));
    return this.ajv.getSchema(`api#/${escaped.join('/')}`)!;
  }
}
