export * from './auth/api-key';
export * from './auth/ensure-bootstrap-key';
export * from './management-api.module';
