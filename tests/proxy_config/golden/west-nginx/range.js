// Cleans an answer to a range that the photo does not have.

// Takes away what was set for the photo itself; nginx then sets the headers of an error.
function forget_photo(r) {
    for (const name in r.headersOut) {
        if (name !== 'Content-Range' && name !== 'Content-Length' && name !== 'Content-Type') {
            delete r.headersOut[name];
        }
    }
}

export default {forget_photo};
