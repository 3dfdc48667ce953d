import { type Metrics, type OperatorCondition, operatorConditions } from '@flatline/service-kernel';

/** What a process shows of what its operator was told. */
export class OperatorMetrics {
  constructor(metrics: Metrics, isOpen: (condition: OperatorCondition) => boolean) {
    metrics.gauge({
      name: 'flatline_operator_alerts',
      help: '1 while an operator alert of this process stands (an event: for an hour), 0 otherwise.',
      labels: ['condition'],
      collect: (gauge) => {
        for (const condition of operatorConditions) gauge.set({ condition }, isOpen(condition) ? 1 : 0);
      },
    });
  }
}
