import { describeKafkaFailures } from '../kafka-failures.contract-suite';
import { describeFrozenLeader } from '../kafka-frozen-leader.contract-suite';
import { describeTakeover } from '../kafka-takeover.contract-suite';

jest.setTimeout(180_000);

describeKafkaFailures('kafkajs');
describeFrozenLeader('kafkajs');
describeTakeover('kafkajs');
