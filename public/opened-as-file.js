// Opened from a disk the page stays white: browsers load programs like its own from a server only. A plain script comes all the same.
if (location.protocol === 'file:') document.getElementById('opened-as-file').hidden = false;
