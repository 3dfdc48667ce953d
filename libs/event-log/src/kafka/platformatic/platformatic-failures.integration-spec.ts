import { describeKafkaFailures } from '../kafka-failures.contract-suite';

jest.setTimeout(180_000);

describeKafkaFailures('platformatic');
