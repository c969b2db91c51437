// Passkeys and security keys: asks the browser for one and sends what it says with the form.
// A form says by data-passkey what it is for: "create", "get" or "sign-in"; its challenge stands in the page
// as JSON, or is fetched from where the form goes. What needs this script is hidden without it.
'use strict';
(() => {
  const { create, get, supported } = window.webauthnJSON;

  const challenge = async (form) => {
    const kept = document.getElementById('challenge');
    if (kept) return JSON.parse(kept.textContent);
    const answer = await fetch(form.action, { headers: { Accept: 'application/json' } });
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    return answer.json();
  };

  // A passkey is found without a name and asks who holds it: only so it may sign in alone.
  const forPasskey = (options, alone) => {
    const wanted = { ...options.publicKey.authenticatorSelection };
    wanted.residentKey = alone ? 'required' : 'discouraged';
    wanted.requireResidentKey = alone;
    if (alone) wanted.userVerification = 'required';
    return { publicKey: { ...options.publicKey, authenticatorSelection: wanted } };
  };

  const ask = async (form) => {
    const told = await challenge(form);
    if (form.dataset.passkey !== 'create') return get(told.request_options);
    return create(forPasskey(told.creation_options, form.elements.passwordless.checked));
  };

  const why = (error) => {
    if (error.name === 'NotAllowedError') return 'Nothing was done. It was cancelled or took too long. Try again.';
    if (error.name === 'InvalidStateError') return 'Nothing was done. This passkey is already added.';
    if (error.name === 'SecurityError') return 'Nothing was done. Passkeys require a host name and HTTPS, or http://localhost.';
    return 'Nothing was done. The browser or the server refused. Reload the page and try again.';
  };

  for (const form of document.querySelectorAll('form[data-passkey]')) {
    const fault = form.querySelector('[data-passkey-fault]');
    if (!supported()) continue;
    form.hidden = false;
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      fault.hidden = true;
      try {
        form.elements.credential.value = JSON.stringify(await ask(form));
        form.submit();
      } catch (error) {
        fault.querySelector('span').textContent = why(error);
        fault.hidden = false;
      }
    });
  }
})();
