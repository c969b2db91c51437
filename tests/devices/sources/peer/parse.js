// Parses each address of the list on standard input as open-balena-api does, and prints those that it cannot.
const { parse } = require('@balena/odata-parser');
const paths = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const wrong = [];
for (const path of paths) {
  try {
    parse(decodeURI(path.replace(/^\/v7/, '')));
  } catch (error) {
    wrong.push(`${path}: ${error.message}`);
  }
}
console.log(JSON.stringify(wrong));
