'use strict';
// Registers a device as a balena supervisor does: its package, with a request library of one's own.
// Options come as JSON in the first argument; the answer goes to standard output as JSON.

const { ApiError, getRegisterDevice } = require('balena-register-device');

const send = async ({ method, baseUrl, url, headers, timeout, body }) => {
  const response = await fetch(new URL(url, baseUrl), {
    method,
    headers: { ...headers, 'Content-Type': 'application/json', Accept: 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(timeout),
  });
  const text = await response.text();
  const isJson = (response.headers.get('content-type') || '').includes('json');
  return { statusCode: response.status, body: isJson ? JSON.parse(text) : text };
};

const { generateUniqueKey, register } = getRegisterDevice({ request: { send } });

const main = async () => {
  const options = { uuid: generateUniqueKey(), deviceApiKey: generateUniqueKey(), ...JSON.parse(process.argv[2]) };
  try {
    return { uuid: options.uuid, key: options.deviceApiKey, registered: await register(options) };
  } catch (error) {
    if (!(error instanceof ApiError)) {
      throw error;
    }
    return { status: error.response.statusCode, body: error.response.body };
  }
};

main().then((answer) => console.log(JSON.stringify(answer)));
