'use strict';

/** Stops what global-setup.js started. */
module.exports = async function globalTeardown() {
  await globalThis.flatlineTestPostgres?.stop();
};
