import { describeKafkaFailures } from '../kafka-failures.contract-suite';
import { describeFrozenLeader } from '../kafka-frozen-leader.contract-suite';
import { describeTakeover } from '../kafka-takeover.contract-suite';

jest.setTimeout(180_000);

describeKafkaFailures('platformatic');
describeFrozenLeader('platformatic');
describeTakeover('platformatic');
