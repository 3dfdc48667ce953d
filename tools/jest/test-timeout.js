'use strict';

/* global jest, testTimeoutMs */

/** The limit of every test and hook of this kind, from jest.config.js. */
jest.setTimeout(testTimeoutMs);
